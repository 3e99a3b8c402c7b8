/// What this thread asked malloc and its relatives for since it began.
struct allocations {
  unsigned long count;
  unsigned long bytes;
};

struct allocations allocations_of_thread(void);
