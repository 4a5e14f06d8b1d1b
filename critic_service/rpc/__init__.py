"""The door for gRPC: the calls of `critic.proto`, answered by the same use cases as over HTTP."""
