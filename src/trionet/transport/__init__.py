"""Where streams come from: addresses, sockets, listeners, epoll and TLS."""
