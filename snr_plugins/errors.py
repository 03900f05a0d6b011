"""The one exception a person is meant to read."""


class InputError(ValueError):
    """Something a person gave is wrong: one sentence that names the file or key, and a hint.

    The tools print its message and exit with status 1; everything else keeps its traceback.
    """


def sentence_in(message: str) -> str | None:
    """What an `InputError` said, of the traceback that another process hands on; None without."""
    _, found, sentence = message.rpartition("InputError: ")
    return sentence.strip() if found else None
