"""Training: what makes the small files of learnt numbers that the matcher ships, each by one command."""
