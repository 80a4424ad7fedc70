"""Networks: perceptrons, encoders of pictures, and what they are shown."""
