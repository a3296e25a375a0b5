"""Where streams come from: addresses, sockets, listeners, epoll, TLS and WebSockets."""
