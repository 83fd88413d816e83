"""What is known of the network: its graph, and who was where when."""
