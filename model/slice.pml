/*
 * Slices as a model for Spin: the next protocol with the option `slice`, of which there is no code. A process that holds a ticket goes on
 * serving its own requests by it for a bounded number of grants after its last listing that showed nobody behind. README.md beside this
 * file has the rules (C1 to C5), what is checked, and what is left out.
 *
 * Each `atomic { … }` of `World` is one step of one process. A ticket joins in one step, at the end, and whoever leaves wakes the next in one
 * step: how that is done among processes is one-name.pml's matter. Time is a number of grants: -DSLICE=n of them are a slice.
 *
 * -DPROCS=n processes, each with two tickets     -DREQUESTS=n requests of each process     -DSLICE=n grants in a slice
 * -DCRASHES=n kill -9                            -DONLY=name one check alone
 */
#ifndef PROCS
#define PROCS 2
#endif
#ifndef REQUESTS
#define REQUESTS 4
#endif
#ifndef SLICE
#define SLICE 2
#endif
#ifndef CRASHES
#define CRASHES 0
#endif

/* The tickets of process p are 2p and 2p + 1. A set of tickets is a mask. */
#define TICKETS (2 * PROCS)
#define BIT(n) (1 << (n))
#define OWNER(t) ((t) / 2)
#define OTHER(t) ((t) ^ 1)

#define NOWHERE 0 /* not in the queue */
#define WAITS 1   /* sleeps; lists when woken */
#define HOLDS 2   /* a request holds by it */
#define KEPT 3    /* no request holds by it: it is kept until the end of the turn */
#define LEFT 4    /* unlinked; lists and notifies next */
byte at[TICKETS];
byte ahead[TICKETS]; /* the tickets whose names sort before it */
byte party[TICKETS]; /* requests that wait by it, but for the first */
byte served[TICKETS]; /* grants of the slice, since the last listing that showed nobody behind */
byte there, woken, alive;
byte left[PROCS];    /* requests to come */
byte crashes = CRASHES;

/* Only the checks look at these: how many grants of others a ticket has waited for since it joined, and how many are allowed. */
byte waited[TICKETS], allowed[TICKETS];

#ifdef ONLY
#define UNCHECKED 1
#else
#define UNCHECKED 0
#endif
hidden byte EXCLUSION = UNCHECKED, ORDER = UNCHECKED, BOUND = UNCHECKED, AWAKE = UNCHECKED;

hidden byte own, me, i, behind, first, choice, here;

/* Sets `here` to any one of a mask. */
inline pick(mask) {
  choice = mask;
  if
  :: choice & 1 -> here = 0
  :: choice & 2 -> here = 1
  :: choice & 4 -> here = 2
  :: choice & 8 -> here = 3
  :: choice & 16 -> here = 4
  :: choice & 32 -> here = 5
  fi
}
#if PROCS == 2
#define EACH_PROCESS(X) (X(0) | X(1))
#define EACH_TICKET(X) (X(0) | X(1) | X(2) | X(3))
#else
#define EACH_PROCESS(X) (X(0) | X(1) | X(2))
#define EACH_TICKET(X) (X(0) | X(1) | X(2) | X(3) | X(4) | X(5))
#endif
/* Tickets that can take a step, and processes to which a request can come, while they are not in the middle of leaving. */
#define STEPS(t) (BIT(t) * (IS_ALIVE(OWNER(t)) && (at[t] > WAITS || (at[t] == WAITS && (woken & BIT(t))))))
#define COMES(p) (BIT(p) * (IS_ALIVE(p) && left[p] > 0 && at[2 * p] != LEFT && at[2 * p + 1] != LEFT))
#define IS_ALIVE(p) (alive & BIT(p))
#define OWNED_BY(p) (3 << (2 * (p)))
#define LIVING ((alive & 1) * 3 | (alive >> 1 & 1) * 12 | (alive >> 2 & 1) * 48)
#define IN_QUEUE(t) (there & BIT(t))

/* Tickets behind `own`. */
inline look() {
  behind = 0; i = 0;
  do
  :: i < TICKETS -> behind = behind | BIT(i) * ((ahead[i] >> own & 1) && IN_QUEUE(i)); i++
  :: else -> break
  od
}

/* A request begins to hold by `own`. */
inline grant() {
  at[own] = HOLDS; i = 0;
  do
  :: i < TICKETS ->
    assert(EXCLUSION || i == own || at[i] != HOLDS);
    if
    :: i != own && at[i] == WAITS && IS_ALIVE(OWNER(i)) -> waited[i]++; assert(BOUND || waited[i] <= allowed[i])
    :: else
    fi;
    i++
  :: else -> break
  od;
  waited[own] = 0; allowed[own] = 0
}

/* The same for a request that has just come: none of its process was there before. */
inline grantNow() { assert(ORDER || at[OTHER(own)] != WAITS); grant() }

/* C5: a listing that decides whose turn it is says how much of a slice is left: all of it, or nothing. */
inline beginSlice() {
  look();
  served[own] = (behind != 0 -> SLICE : 0)
}

inline unlink() {
  there = there & ~BIT(own); at[own] = LEFT; served[own] = 0
}

/* Links `own` at the end, and lists. */
inline join() {
  ahead[own] = there; there = there | BIT(own); woken = woken & ~BIT(own);
  allowed[own] = 0; waited[own] = 0; i = 0;
  do
  :: i < TICKETS ->
    if
    :: i != own && IN_QUEUE(i) && (LIVING & BIT(i)) -> allowed[own] = allowed[own] + party[i] + (at[i] == WAITS) + SLICE
    :: else
    fi;
    i++
  :: else -> break
  od;
  if
  :: ahead[own] & LIVING & there -> at[own] = WAITS
  :: else -> beginSlice(); grant()
  fi
}

/* A new request of `me`, which takes a ticket of its own. */
inline joinAnew() {
  if
  :: at[2 * me] == NOWHERE -> own = 2 * me; join()
  :: at[2 * me] != NOWHERE && at[2 * me + 1] == NOWHERE -> own = 2 * me + 1; join()
  :: else -> left[me]++ /* it comes later: more tickets of one process are left out */
  fi
}

active proctype World() {
  atomic {
#ifdef ONLY
    ONLY = 0;
#endif
    alive = BIT(PROCS) - 1; i = 0;
    do
    :: i < PROCS -> left[i] = REQUESTS; i++
    :: else -> break
    od
  }
  do
  :: atomic { /* a request comes */
      EACH_PROCESS(COMES) -> pick(EACH_PROCESS(COMES)); me = here; left[me]--;
      if
      :: at[2 * me] == KEPT -> own = 2 * me
      :: at[2 * me] != KEPT && at[2 * me + 1] == KEPT -> own = 2 * me + 1
      :: else -> own = 2 * me + (at[2 * me] == NOWHERE)
      fi;
      look();
      if
      :: at[own] == KEPT && at[OTHER(own)] != NOWHERE -> unlink(); left[me]++ /* C3: it has another ticket in the queue; its turn comes at the end of that */
      :: at[own] == KEPT && at[OTHER(own)] == NOWHERE && served[own] < SLICE -> served[own]++; grantNow() /* C1: without a listing */
      :: at[own] == KEPT && at[OTHER(own)] == NOWHERE && !(served[own] < SLICE) -> /* C2: lists */
        if
        :: behind == 0 -> served[own] = 0; grantNow()
        :: else -> unlink(); left[me]++ /* C4: hands over; the request takes a ticket of its own after that */
        fi
      :: (at[own] == HOLDS || at[own] == WAITS) && behind == 0 && at[OTHER(own)] == NOWHERE && party[own] == 0 -> party[own]++ /* it is the last in the queue */
      :: (at[own] == HOLDS || at[own] == WAITS) && !(behind == 0 && at[OTHER(own)] == NOWHERE && party[own] == 0) -> joinAnew()
      :: at[own] == NOWHERE -> joinAnew()
      fi
    }
  :: atomic { /* the next step of a ticket */
      EACH_TICKET(STEPS) -> pick(EACH_TICKET(STEPS)); own = here; me = OWNER(own);
      if
      :: at[own] == WAITS && (woken & BIT(own)) -> /* lists */
        woken = woken & ~BIT(own);
        if
        :: ahead[own] & LIVING & there
        :: else -> beginSlice(); grant()
        fi
      :: at[own] == HOLDS && party[own] > 0 -> party[own]--; grant() /* releases, and the next one of its process holds */
      :: at[own] == HOLDS && party[own] == 0 -> at[own] = KEPT /* releases */
      :: at[own] == KEPT -> unlink() /* C4: the end of the turn */
      :: at[own] == LEFT -> /* notifies the next one */
        at[own] = NOWHERE; i = 0; first = TICKETS;
        do
        :: i < TICKETS ->
          if
          :: at[i] == WAITS && IN_QUEUE(i) && (LIVING & BIT(i)) && (first == TICKETS || (ahead[first] & BIT(i))) -> first = i
          :: else
          fi;
          i++
        :: else -> break
        od;
        if
        :: first < TICKETS -> woken = woken | BIT(first)
        :: else
        fi;
        i = 0;
        do
        :: i < TICKETS -> ahead[i] = ahead[i] & there; i++
        :: else -> break
        od;
        ahead[own] = 0
      fi
    }
#if CRASHES
  :: atomic { /* kill -9; who is connected to it is woken */
      crashes > 0 -> crashes--; pick(alive); me = here; alive = alive & ~BIT(me); left[me] = 0; i = 0;
      do
      :: i < TICKETS ->
        if
        :: OWNER(i) == me -> at[i] = NOWHERE; party[i] = 0; served[i] = 0; waited[i] = 0; allowed[i] = 0; woken = woken & ~BIT(i)
        :: at[i] == WAITS && OWNER(i) != me -> woken = woken | BIT(i)
        :: else
        fi;
        i++
      :: else -> break
      od
    }
#endif
  :: atomic {
      !(EACH_PROCESS(COMES)) && !(EACH_TICKET(STEPS)); i = 0; /* nothing more can happen */
      do
      :: i < TICKETS -> assert(AWAKE || !(at[i] != NOWHERE && IS_ALIVE(OWNER(i)))); i++
      :: else -> break
      od;
      break
    }
  od
}
