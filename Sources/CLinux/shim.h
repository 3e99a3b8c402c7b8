// System calls that the Glibc module does not export.
#pragma once
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netdb.h>

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
