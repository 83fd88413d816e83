"""The hands: what a network device can be asked, and one driver for each way of asking. Imports nothing from controller."""
