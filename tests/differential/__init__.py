"""The kubelet twin against the real managers on random node lives: see generator.py for what varies."""
