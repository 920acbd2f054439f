/* A system that hangs once it runs: the real PID 1 starts and feeds the watchdog, then nothing is done any more.
 * A child of the highest priority, which no other may interrupt, keeps the only processor for itself. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int watchdog_is_open(void)
{
	DIR *open_files = opendir("/proc/1/fd");
	struct dirent *entry;
	char path[300], target[300];
	int found = 0;

	while (open_files && (entry = readdir(open_files))) {
		ssize_t length;

		snprintf(path, sizeof path, "/proc/1/fd/%s", entry->d_name);
		length = readlink(path, target, sizeof target - 1);
		target[length > 0 ? length : 0] = 0;
		found |= !strncmp(target, "/dev/watchdog", 13);
	}
	if (open_files)
		closedir(open_files);
	return found;
}

static void complain(const char *what)
{
	dprintf(open("/dev/kmsg", O_WRONLY), "<0>this system does not hang as it should: %s: %m\n", what);
	_exit(1);
}

static void set(const char *path, const char *value)
{
	if (write(open(path, O_WRONLY), value, strlen(value)) < 0)
		complain(path);
}

int main(int count, char **words)
{
	(void)count;
	if (fork() == 0) {
		struct sched_param highest = { .sched_priority = 99 };

		while (!watchdog_is_open())
			usleep(100000);
		/* Without these two the kernel would keep a part of the time for others: before Linux 6.12, and since. */
		set("/proc/sys/kernel/sched_rt_runtime_us", "-1");
		if (mkdir("/debug", 0700) || mount("debugfs", "/debug", "debugfs", 0, NULL))
			complain("debugfs");
		set("/debug/sched/fair_server/cpu0/runtime", "0");
		if (sched_setscheduler(0, SCHED_FIFO, &highest))
			complain("the priority");
		for (;;)
			;
	}
	execv("/pillarbox", words);
	return 1;
}
