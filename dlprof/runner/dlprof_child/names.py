"""Names that the parent reads again: items, markers, parity arrays. It mirrors dlprof/names.py; a test holds both together."""

# Markers of host phases inside a step, and of the wait for all work that was asked for.
INPUT = "dlprof:input"
FORWARD = "dlprof:forward"
LOSS = "dlprof:loss"
BACKWARD = "dlprof:backward"
OPTIMIZER = "dlprof:optimizer"
SYNC = "dlprof:sync"
CALL = "dlprof:call"  # the step itself, from its first call to its last, without its input and its wait
COLLECTION = "dlprof:gc"  # a full collection of Python's garbage
SETTLE = "dlprof:settle"  # a step or call before those that are looked at: the first after a pause is slower


def item(task, size, variant=None):
    """matmul[size=50], or matmul[call=study,size=50] where the call is not the plain one."""
    return "%s[%ssize=%d]" % (task, "call=%s," % variant if variant else "", size)


def step_marker(number, synchronised):
    """A training step. synchronised: all its work ends inside the marker."""
    return "dlprof:%sstep=%d" % ("" if synchronised else "unsynced_", number)


def item_marker(name, number, synchronised):
    """Call `number` of an item. With @ and not #, for TensorFlow cuts a name at its first #."""
    return "dlprof:%sitem=%s@%d" % ("" if synchronised else "unsynced_", name, number)


def epoch_marker(number):
    """The traced epoch."""
    return "dlprof:epoch=%d" % number


def array(kind, of="", by="", number=None):
    """A parity array: logits, grad/conv1/w, out/matmul[size=50], timed/matmul[size=50]@0, replay/moved/conv1/w.

    by: the operand of an item's gradient, of several. number: of the operand set, for kind `timed`.
    """
    at = "" if number is None else "@%d" % number
    return kind + ("/" + of + at if of else "") + (" by " + by if by else "")


def without_colon(marker):
    """A marker for TensorFlow 2.0, which drops what stands before a colon."""
    return marker.replace(":", ";", 1)
