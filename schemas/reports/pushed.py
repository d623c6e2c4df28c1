"""What Pusher did with a blessed model."""

PUSHED_FILE = "pushed.json"
