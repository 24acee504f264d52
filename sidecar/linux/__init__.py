"""What the Linux kernel tells about processes and sockets, cheaply enough to ask again and again."""
