"""The scripts, one for each revision, named ``vNNNN_what_changed.py``. How to add one: CONTRIBUTING.md."""
