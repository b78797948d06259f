"""The guest model against KubeVirt's own code on random boots and migrations: see generator.py for what varies."""
