/* Prints the addresses of each name as a program that is linked against musl gets them. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **names)
{
	for (int n = 1; n < count; n++) {
		struct addrinfo wanted = { .ai_socktype = SOCK_STREAM }, *found = 0, *at;
		int code = getaddrinfo(names[n], 0, &wanted, &found);
		printf("%s", names[n]);
		if (code)
			printf(" %s", code == EAI_NONAME ? "nobody" : code == EAI_NODATA ? "nodata" : gai_strerror(code));
		for (at = found; at; at = at->ai_next) {
			char text[INET6_ADDRSTRLEN];
			const void *address = at->ai_family == AF_INET
				? (void *)&((struct sockaddr_in *)at->ai_addr)->sin_addr
				: (void *)&((struct sockaddr_in6 *)at->ai_addr)->sin6_addr;
			printf(" %s", inet_ntop(at->ai_family, address, text, sizeof text));
		}
		printf("\n");
	}
	return 0;
}
