"""What a step in a container of Vertex AI leaves when it dies, beside where its output would be."""

LAST_WORDS_FILE = "last_words.txt"
