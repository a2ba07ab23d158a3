"""Points, lines, curves, planes and boxes with names, in a patient or a tool, and the files that hold them."""
