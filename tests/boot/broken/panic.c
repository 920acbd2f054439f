/* A system whose PID 1 ends at once: the kernel panics. */
int main(void)
{
	return 1;
}
