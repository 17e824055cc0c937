"""The framework-neutral half of the child: channel, session, batches, epochs; adapters supply the framework's half.

An adapter is a file with one function, `create(request) -> Backend`. It must not import its framework before `create`
is called (environment variables come first). What a Backend must supply is in backend.py.
"""
