"""People: their accounts, sessions, API keys, letters; limits on attempts; what is written down."""
