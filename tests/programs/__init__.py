"""Programs that nobody here wrote, with the guard beside them: ``tox -e programs``."""
