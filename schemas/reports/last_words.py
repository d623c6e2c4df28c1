"""What a step in a container of Vertex AI leaves when it dies, beside where its output would be."""

from schemas.document import Document

LAST_WORDS_FILE = "last_words.json"


class LastWords(Document):
    """Why a step died: `words` for a person, and the exit code that its error ends a command with.

    `exit_code` is 1 for an error that nobody expected; then `words` end in a traceback.
    """

    exit_code: int
    words: str
