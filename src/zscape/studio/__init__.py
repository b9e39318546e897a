"""The studio: a local page on which a latent space is seen and steered.

This process speaks HTTP and never imports torch, so that it answers at once; library calls are made
in processes of their own (`work`).
"""
