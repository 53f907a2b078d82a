"""The parts of towers that read histories in their order."""
