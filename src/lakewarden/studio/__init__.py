"""SageMaker Studio: domains, user profiles, spaces, and one walled JupyterLab a space."""
