/* SPDX-License-Identifier: MIT
 *
 * Committing to the ring of a core, x86-64: two restartable sequences (rseq), one for a slot whose
 * words are in registers, one for any number of slots from an image in memory.
 *
 * All threads of a core share its ring, and need no lock for it: the kernel runs a sequence from
 * label 1 to label 2 without anything in between, or, if the thread is preempted, moved to another
 * core or gets a signal, goes on at label 4. So whoever is in a sequence is its ring's only writer,
 * and the store of the head, its last instruction, commits or never happens:
 *
 *     1: if (rseq.cpu_id != the core that the ring is of)  give up
 *        if (no room from ring.head on)                    give up
 *        time = rdtsc                  here, so that time never runs backwards within a ring
 *        slot at head = {number of the slot before + 1, site, time, producer and arguments}
 *        ring.head = head + 1                              this commits
 *     2:
 *
 * See linux/rseq.h for what the kernel expects: a descriptor of 32 bytes, its address stored into
 * rseq_cs before label 1 and cleared behind label 2 (the code may be unloaded later), and a
 * signature in the four bytes before label 4.
 */

#if defined(__x86_64__) && defined(__gnu_linux__)
#define SHMLOG_RSEQ_ 1

/* glibc >= 2.35 registers an area for each thread and says where; weak, so that others link. */
SHMLOG_BEGIN_C_
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
SHMLOG_END_C_

/* clang-format off */
/* Offsets, as text. Those in struct rseq: cpu_id 4, rseq_cs 8. In struct shmlog_ring: */
#define SHMLOG_HEAD_ "128"
#define SHMLOG_LIMIT_ "136"
#define SHMLOG_DOORBELL_ "256"
#define SHMLOG_SLOTS_ "4096" /* behind the header */
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, head) == 128 &&
                          offsetof(struct shmlog_ring, limit) == 136 &&
                          offsetof(struct shmlog_ring, doorbell) == 256 &&
                          sizeof(struct shmlog_ring) == 4096,
                      "offsets above");
#define SHMLOG_LOCAL_(member_) \
    "i"(offsetof(struct shmlog, local) + offsetof(struct shmlog_local_, member_))
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, key) == 0, "where a sequence looks for it");
#define SHMLOG_OF_THREAD_(member_) "i"(offsetof(struct shmlog_thread_, member_))

#ifdef SHMLOG_TEST_NO_RSEQ_CS /* the tests' control: unprotected, it must lose records */
#define SHMLOG_ARM_(rseq_) ""
#else
#define SHMLOG_ARM_(rseq_) "movq %%rax, %%fs:8(" rseq_ ")\n\t"
#endif
#define SHMLOG_DISARM_(rseq_) "movq $0, %%fs:8(" rseq_ ")\n\t"
/* The descriptor, at label 3: version and flags 0; begin, length, where to go on when aborted. */
#define SHMLOG_BEGIN_SEQUENCE_(rseq_)                 \
    ".pushsection .data.rel.ro.shmlog_rseq, \"aw\"\n\t" \
    ".balign 32\n"                                    \
    "3:\n\t"                                          \
    ".long 0, 0\n\t"                                  \
    ".quad 1f, 2f - 1f, 4f\n\t"                       \
    ".popsection\n\t"                                 \
    "leaq 3b(%%rip), %%rax\n\t"                       \
    SHMLOG_ARM_(rseq_)                                \
    "1:\n\t"
/* Label 4: aborted, the kernel has cleared rseq_cs. Label 5: given up. */
#define SHMLOG_END_SEQUENCE_(rseq_) \
    "2:\n\t"                        \
    SHMLOG_DISARM_(rseq_)           \
    ".subsection 1\n\t"             \
    ".byte 0x0f, 0xb9, 0x3d\n\t"    \
    ".long 0x53053053\n"            \
    "4:\n\t"                        \
    "jmp %l[other]\n"               \
    "5:\n\t"                        \
    SHMLOG_DISARM_(rseq_)           \
    "jmp %l[other]\n\t"             \
    ".subsection 0\n\t"

/* With the caller's timestamps, a line is fetched for writing so many bytes ahead of each slot: the
 * reader has had it since the writer's last round. Beside reading the TSC there is time to get it
 * back. Behind the last slot it is a hint for nothing. */
#define SHMLOG_AHEAD_ "prefetchw 1024(%%rdx)\n\t"
#define SHMLOG_READ_TSC_ "rdtsc\n\tshlq $32, %%rdx\n\torq %%rdx, %%rax\n\t"

/* One slot: rcx ring, r11 head, rdx slot, r10 rseq's offset, `seq_` the slot before, then the first
 * word. Where reading the TSC waits for all that came before, and what comes after waits for it,
 * loads that wait for each other cost most: two before it, one after. */
#define SHMLOG_ONE_SLOT_(seq_, seq32_, read_time_, time_, ahead_, words_)                     \
    "movq %c[rseq](%[log]), %%r10\n\t"                                                        \
    SHMLOG_BEGIN_SEQUENCE_("%%r10")                                                           \
    "movq %c[ring](%[thread]), %%rcx\n\t"                                                     \
    "movl %%fs:4(%%r10), %%eax\n\t" /* is it still the core that the ring is of? */           \
    "xorq (%[log]), %%rax\n\t" /* and is the ring of this attachment? */                      \
    "cmpq %c[where](%[thread]), %%rax\n\t"                                                    \
    "jne 5f\n\t"                                                                              \
    "movq " SHMLOG_HEAD_ "(%%rcx), %%r11\n\t" /* is there room? */                            \
    "cmpq " SHMLOG_LIMIT_ "(%%rcx), %%r11\n\t"                                                \
    "jae 5f\n\t"                                                                              \
    "leaq -1(%%r11), %%" seq_ "\n\t"                                                          \
    "andq %c[mask](%[log]), %%" seq_ "\n\t"                                                   \
    "shlq $6, %%" seq_ "\n\t"                                                                 \
    read_time_                                                                                \
    "movq %c[mask](%[log]), %%rdx\n\t"                                                        \
    "andq %%r11, %%rdx\n\t"                                                                   \
    "shlq $6, %%rdx\n\t"                                                                      \
    "movl " SHMLOG_SLOTS_ "(%%rcx,%%" seq_ "), %%" seq32_ "\n\t" /* number of the one before */ \
    "leaq " SHMLOG_SLOTS_ "(%%rcx,%%rdx), %%rdx\n\t"                                          \
    ahead_                                                                                    \
    "incl %%" seq32_ "\n\t"                                                                   \
    "orq %[word], %%" seq_ "\n\t"                                                             \
    "movq %%" seq_ ", (%%rdx)\n\t" /* number and site */                                      \
    "movq " time_ ", 8(%%rdx)\n\t"                                                            \
    words_                                                                                    \
    "incq %%r11\n\t"                                                                          \
    "movq %%r11, " SHMLOG_HEAD_ "(%%rcx)\n\t" /* the commit */                                \
    SHMLOG_END_SEQUENCE_("%%r10")                                                             \
    "testq %%r11, %c[quarter](%[log])\n\t" /* at a quarter of the ring: the doorbell */       \
    "jne 9f\n\t"                                                                              \
    "movq %%r11, " SHMLOG_DOORBELL_ "(%%rcx)\n"                                               \
    "9:\n\t"
#define SHMLOG_FOUR_WORDS_                                                        \
    "movq %[w0], 16(%%rdx)\n\tmovq %[w1], 24(%%rdx)\n\t"                          \
    "movq %[w2], 32(%%rdx)\n\tmovq %[w3], 40(%%rdx)\n\t"                          \
    "movq $0, 48(%%rdx)\n\tmovq $0, 56(%%rdx)\n\t"
#define SHMLOG_SIX_WORDS_ /* as they were stored, for a wider load would wait for the stores */ \
    "movq (%[words]), %%rax\n\tmovq %%rax, 16(%%rdx)\n\t"                        \
    "movq 8(%[words]), %%rax\n\tmovq %%rax, 24(%%rdx)\n\t"                       \
    "movq 16(%[words]), %%rax\n\tmovq %%rax, 32(%%rdx)\n\t"                      \
    "movq 24(%[words]), %%rax\n\tmovq %%rax, 40(%%rdx)\n\t"                      \
    "movq 32(%[words]), %%rax\n\tmovq %%rax, 48(%%rdx)\n\t"                      \
    "movq 40(%[words]), %%rax\n\tmovq %%rax, 56(%%rdx)\n\t"
#define SHMLOG_ONE_SLOT_INPUTS_                                                              \
    [log] "r"(log), [thread] "r"(thread), [word] "r"(word), [rseq] SHMLOG_LOCAL_(rseq_offset), \
        [mask] SHMLOG_LOCAL_(slot_mask), [quarter] SHMLOG_LOCAL_(quarter_mask),              \
        [ring] SHMLOG_OF_THREAD_(ring), [where] SHMLOG_OF_THREAD_(where)
/* The time is the caller's, or is read: that takes one register less, or one more. */
#define SHMLOG_ONE_SLOT_NOW_(words_, ...)                                                   \
    __asm__ goto(SHMLOG_ONE_SLOT_("r9", "r9d", SHMLOG_READ_TSC_, "%%rax", "", words_)       \
                 :                                                                          \
                 : SHMLOG_ONE_SLOT_INPUTS_, __VA_ARGS__                                     \
                 : "memory", "cc", "rax", "rcx", "rdx", "r9", "r10", "r11"                  \
                 : other)
#define SHMLOG_ONE_SLOT_AT_(words_, ...)                                                    \
    __asm__ goto(SHMLOG_ONE_SLOT_("rax", "eax", "", "%[ticks]", SHMLOG_AHEAD_, words_)      \
                 :                                                                          \
                 : SHMLOG_ONE_SLOT_INPUTS_, [ticks] "r"(ticks), __VA_ARGS__                 \
                 : "memory", "cc", "rax", "rcx", "rdx", "r10", "r11"                        \
                 : other)

/* Commit one slot, of four words or six, to the ring of the core that the thread was seen on last.
 * `word`: id and number of slots in the upper half, 0 in the lower. Returns 1; 0 if that is not the
 * core, the ring looks full or the sequence was aborted: nothing happened. */
SHMLOG_INLINE_ int shmlog_commit_four_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                       uint64_t word, uint64_t w0, uint64_t w1, uint64_t w2,
                                       uint64_t w3)
{
    SHMLOG_ONE_SLOT_NOW_(SHMLOG_FOUR_WORDS_, [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [w3] "r"(w3));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_four_at_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                          uint64_t word, uint64_t w0, uint64_t w1, uint64_t w2,
                                          uint64_t w3, uint64_t ticks)
{
    SHMLOG_ONE_SLOT_AT_(SHMLOG_FOUR_WORDS_, [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [w3] "r"(w3));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_six_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                      uint64_t word, const uint64_t *words)
{
    SHMLOG_ONE_SLOT_NOW_(SHMLOG_SIX_WORDS_, [words] "r"(words));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_six_at_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                         uint64_t word, const uint64_t *words, uint64_t ticks)
{
    SHMLOG_ONE_SLOT_AT_(SHMLOG_SIX_WORDS_, [words] "r"(words));
    return 1;
other:
    return 0;
}

/* Eight bytes, for so they were mostly stored: a wider load would have to wait for the stores. */
#define SHMLOG_COPY_(at_)                \
    "movq " at_ "(%%rdx), %%r8\n\t"      \
    "movq %%r8, " SHMLOG_SLOTS_ "+" at_ "(%[ring],%%rax)\n\t"

/* Commit `slots` slots that stand whole in `image`, their numbers following that of the slot before
 * `head`, to a core's ring. Returns 1; 0 if this is not that core any more, or the head has moved
 * since it was read: then numbers and times are to be made anew. */
SHMLOG_INLINE_ int shmlog_commit_image_(const struct shmlog *log, struct shmlog_ring *ring,
                                        uint32_t cpu, uint64_t head, const struct shmlog_slot *image,
                                        uint32_t slots)
{
    const uint64_t end = head + slots;

    __asm__ goto(SHMLOG_BEGIN_SEQUENCE_("%[rseq]")
                 "cmpl %[cpu], %%fs:4(%[rseq])\n\t"
                 "jne 5f\n\t"
                 "movq " SHMLOG_HEAD_ "(%[ring]), %%rcx\n\t"
                 "cmpq %[head], %%rcx\n\t"
                 "jne 5f\n\t"
                 "movq %[image], %%rdx\n"
                 "8:\n\t" /* slot by slot, for they may go on at the ring's beginning */
                 "movq %%rcx, %%rax\n\t"
                 "andq %[mask], %%rax\n\t"
                 "shlq $6, %%rax\n\t"
                 SHMLOG_COPY_("0") SHMLOG_COPY_("8") SHMLOG_COPY_("16") SHMLOG_COPY_("24")
                 SHMLOG_COPY_("32") SHMLOG_COPY_("40") SHMLOG_COPY_("48") SHMLOG_COPY_("56")
                 "addq $64, %%rdx\n\t"
                 "incq %%rcx\n\t"
                 "cmpq %[end], %%rcx\n\t"
                 "jne 8b\n\t"
                 "movq %%rcx, " SHMLOG_HEAD_ "(%[ring])\n\t" /* the commit */
                 SHMLOG_END_SEQUENCE_("%[rseq]")
                 :
                 : [rseq] "r"(log->local.rseq_offset), [ring] "r"(ring), [cpu] "r"(cpu),
                   [head] "r"(head), [image] "r"(image), [end] "r"(end),
                   [mask] "r"(log->local.slot_mask)
                 : "memory", "cc", "rax", "rcx", "rdx", "r8"
                 : other);
    return 1;
other:
    return 0;
}

/* clang-format on */

/* The core that this thread is on; a number beyond all cores where rseq is not registered. */
SHMLOG_INLINE_ uint32_t shmlog_this_cpu_(const struct shmlog *log)
{
    uint32_t cpu;

    __asm__ volatile("movl %%fs:4(%1), %0" : "=r"(cpu) : "r"(log->local.rseq_offset));
    return cpu;
}

/* Note the core that the thread is on, and its ring, for its next sequences, in one store: a
 * handler that came in between two would find one core with another one's ring. */
SHMLOG_INLINE_ void shmlog_note_core_(struct shmlog_thread_ *thread, uint64_t where,
                                      struct shmlog_ring *ring)
{
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    const pair both = {where, (uintptr_t)ring};

    __asm__ volatile("movaps %1, %0" : "=m"(*(pair *)(void *)&thread->where) : "x"(both));
}
#else
#define SHMLOG_RSEQ_ 0
#endif
