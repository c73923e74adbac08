"""Why a policy document is refused."""

from lakewarden.kernel.errors import AwsError


class MalformedPolicyDocument(AwsError):
    """The document is not a valid policy; the text begins with the place."""

    code = "MalformedPolicyDocument"

    def __init__(self, place: str, problem: str) -> None:
        # Both may quote the document: cut, and free of what no answer can carry (lone surrogates).
        place, problem = (text[:300].encode("utf-8", "backslashreplace").decode() for text in (place, problem))
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem
