/* What the parts of the readers in C share. Each part is one file; dlprof/native/library.py loads all of them as one library. */

#ifndef DLPROF_NATIVE_H
#define DLPROF_NATIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* Changes with the meaning of anything that Python passes or reads: dlprof/native/library.py has the same number. */
#define INTERFACE 12

/* The answer for what is left to the reader in Python. */
#define NOT_PLAIN (-1)

/* The code of a text that is missing. */
#define NO_TEXT (-1)

#endif
