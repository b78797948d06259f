"""Defects that are known and not mended yet, each as a test that fails for the defect alone.

A test of this folder plays the sequence of events that shows a defect. What works in it today and has to go on working
is asserted by ordinary tests; each wrong claim is asserted by itself, in a test that is marked as a strict expected
failure with the title of the work that will mend it. A test that passes unexpectedly fails the suite: whoever mends a
defect takes its mark away.
"""
