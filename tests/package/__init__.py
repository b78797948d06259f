"""What the project publishes and how it is kept: version, wheel and sdist, workflows, forms, hooks, settings of tools."""
