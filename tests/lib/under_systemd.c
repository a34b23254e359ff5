/* SPDX-License-Identifier: MIT
 *
 * What systemd gives a service of Type=notify with a socket unit:
 *
 *   under_systemd ADDRESS|- WATCHDOG_MS PROGRAM [ARGUMENT]...
 *
 * Listens on ADDRESS with a port of the kernel's choice ("-": no socket) and hands that over as
 * descriptor 3; binds NOTIFY_SOCKET and prints every datagram as a line "notify: ...". The program's
 * standard output and error are ours. SIGTERM goes on to it; its status is ours in the end.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t service;

static void pass_on(int sig)
{
	kill(service, sig);
}

static int notify_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* abstract: no file is left behind */
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "bulb-test-%d", (int)getpid());
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0)
		err(1, "notify socket");
	char name[128];
	snprintf(name, sizeof(name), "@%s", a.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static int listening_socket(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
		bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 64) != 0)
		err(1, "listen on %s", address);
	return fd;
}

static void become_service(int listening, char **argv)
{
	char pid[16];
	if (listening >= 0) {
		if (listening != 3 && dup2(listening, 3) < 0)
			err(1, "dup2");
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_PID", pid, 1);
	}
	execv(argv[0], argv);
	err(1, "%s", argv[0]);
}

static void read_notes(int fd)
{
	char text[512];
	for (;;) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			return;
		text[n] = '\0';
		printf("notify: %s\n", text);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(64, "usage: under_systemd ADDRESS|- WATCHDOG_MS PROGRAM [ARGUMENT]...");
	int notes = notify_socket();
	int listening = strcmp(argv[1], "-") == 0 ? -1 : listening_socket(argv[1]);
	if (atoi(argv[2]) > 0) {
		char usec[32];
		snprintf(usec, sizeof(usec), "%d000", atoi(argv[2]));
		setenv("WATCHDOG_USEC", usec, 1);
	}
	service = fork();
	if (service == 0)
		become_service(listening, argv + 3);
	if (listening >= 0)
		close(listening);
	pid_t reader = fork();
	if (reader == 0) {
		read_notes(notes);
		_exit(0);
	}
	signal(SIGTERM, pass_on);
	int status = 0;
	while (waitpid(service, &status, 0) < 0)
		;
	kill(reader, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
