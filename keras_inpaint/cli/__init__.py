"""The command line: `keras-inpaint <verb>`, each a thin caller of the function under it."""

__all__: list[str] = []
