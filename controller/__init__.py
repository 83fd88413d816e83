"""The brain: from an alert to a proven containment, and back."""
