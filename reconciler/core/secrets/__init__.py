"""How secrets are recognised and masked."""
