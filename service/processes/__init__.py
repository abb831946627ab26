"""The processes of one service: server processes, and the projector's."""
