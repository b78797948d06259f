"""The guest that virt-launcher builds: pins, cells, memory binding."""
