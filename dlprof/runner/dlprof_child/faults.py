"""What can go wrong in the child, each with the status that result.json will carry, a message and a hint."""

# hint for a call that this release lacks
OTHER_CALL = "this release may lack it: choose another --set variant=…, mode or version"


class Fault(Exception):
    """A failure the child can explain."""

    status = "failed"

    def __init__(self, message, hint=""):
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unsupported(Fault):
    """This framework, version, mode or device cannot do what was asked."""

    status = "unsupported"


class FrameworkMissing(Fault):
    """The framework cannot be imported in this environment."""

    status = "framework_missing"
