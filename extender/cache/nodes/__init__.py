"""One node: its facts, its report, its ledger, and the row made of them."""
