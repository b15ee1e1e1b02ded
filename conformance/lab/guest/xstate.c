/* Lets user-mode Linux set the registers of its processes on CPUs with AMX.
 *
 * Debian's user-mode Linux keeps 2696 bytes of extended state (up to AVX-512 and PKRU). Where the CPU also
 * has AMX the host keeps 11008, and refuses PTRACE_SETREGSET with anything shorter (EFAULT), so that the
 * guest's init dies at its first instruction. Preloaded into linux.uml, this pads what is set to the size
 * the host wants. Nothing in the guest can use AMX (Linux hands it out on request only), so the padding is
 * its initial state: zero, and its two bits in XSTATE_BV clear.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { LIMIT = 65536, XSTATE_BV = 512, TILE_BITS = 3 << 17 };

typedef long ptrace_t(int request, long pid, void *address, void *data);

/* Static and not on the stack: the guest kernel's stacks are small, and it runs on one CPU. */
static char state[LIMIT] __attribute__((aligned(64)));
static size_t host_size;

static size_t host_state_size(ptrace_t *next, long pid)
{
	struct iovec whole = { state, LIMIT };

	return next(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &whole) < 0 ? 0 : whole.iov_len;
}

static long set_state(ptrace_t *next, long pid, struct iovec *given)
{
	struct iovec whole;
	uint64_t features;

	if (host_size == 0)
		host_size = host_state_size(next, pid);
	if (given->iov_len < XSTATE_BV + sizeof features || given->iov_len >= host_size)
		return next(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, given);
	memcpy(state, given->iov_base, given->iov_len);
	memset(state + given->iov_len, 0, host_size - given->iov_len);
	memcpy(&features, state + XSTATE_BV, sizeof features);
	features &= ~(uint64_t)TILE_BITS;
	memcpy(state + XSTATE_BV, &features, sizeof features);
	whole = (struct iovec){ state, host_size };
	return next(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_t *next;
	va_list arguments;
	long pid;
	void *address, *data;

	if (next == NULL)
		next = (ptrace_t *)dlsym(RTLD_NEXT, "ptrace");
	va_start(arguments, request);
	pid = va_arg(arguments, int);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_state(next, pid, data);
	return next(request, pid, address, data);
}
