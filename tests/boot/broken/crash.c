/* A system whose kernel panics once it runs: the real PID 1 starts, and the driver that can start the machine again, which
 * on a Raspberry Pi is that of the watchdog, is there. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **words)
{
	(void)count;
	if (fork() == 0) {
		struct stat driver;
		int trigger;

		while (stat("/sys/bus/platform/drivers/bcm2835-wdt", &driver))
			usleep(100000);
		sleep(1);
		trigger = open("/proc/sysrq-trigger", O_WRONLY);
		return write(trigger, "c", 1) != 1;
	}
	execv("/pillarbox", words);
	return 1;
}
