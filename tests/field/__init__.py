"""Cases from the field: inputs rebuilt from public reports of people who run such clusters, each with the right answer.

A folder holds the inputs of a case; `test_NAME.py` says what is right and which rule makes it so.
"""
