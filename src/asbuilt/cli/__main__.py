"""`python -m asbuilt.cli`: the same as `asbuilt`, with this interpreter."""

from asbuilt.cli.main import main

main()
