"""The Keras layers and models of both towers."""
