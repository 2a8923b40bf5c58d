"""The words: data that every other box shares."""
