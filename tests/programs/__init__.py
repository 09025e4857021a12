"""Third-party programs with the guard beside them: ``tox -e programs``."""
