"""Virtual machines: guest size, guest cells, last layout, migrations."""
