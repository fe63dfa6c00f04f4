/*
 * Slices as a model for Spin: the option `slice` of src/requests/group.ts. A process that holds a ticket goes on serving its own requests
 * by it for a bounded time after its turn, or after its last listing that showed nobody behind. README.md beside this file has the rules (C1 to C5), what is
 * checked, and what is left out.
 *
 * Each `atomic { … }` of `World` is one step of one process. A ticket joins in one step, at the end, and whoever leaves wakes the next in one
 * step: how that is done among processes is acquire.pml's matter. In a slice fit at most -DSLICE=n grants; it may be over before that.
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
byte bySlice[TICKETS]; /* how many of these, the last ones, have joined by the slice */
byte served[TICKETS]; /* grants of the slice, since its turn, or the last listing that showed nobody behind; SLICE: it is over */
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
#define ENDS(t) (BIT(t) * (IS_ALIVE(OWNER(t)) && (at[t] == HOLDS || at[t] == KEPT) && served[t] < SLICE))
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

/* C2: a listing. If it shows nobody behind, a new slice begins, and all that have joined came before whoever comes. */
inline lookAgain() {
  look();
  if
  :: behind == 0 -> served[own] = 0; bySlice[own] = 0
  :: else
  fi
}
/* Or an older listing showed somebody behind, whether that one is still there or not. */
inline lookOrGuess() {
  if
  :: lookAgain()
  :: behind = BIT(own)
  fi
}
#define IS_OPEN (served[own] < SLICE)
#define IS_ALONE (at[OTHER(own)] == NOWHERE)

inline unlink() {
  there = there & ~BIT(own); at[own] = LEFT; served[own] = 0
}

/* Links `own` at the end, with `more` requests besides the first, and lists. C1: its slice begins at its turn. */
inline join(more) {
  ahead[own] = there; there = there | BIT(own); woken = woken & ~BIT(own);
  party[own] = more; served[own] = 0; bySlice[own] = 0;
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
  :: else -> grant()
  fi
}

/* A new request of `me`, which takes a ticket of its own. C5: those that have joined `own` by its slice come before it, by the same one. */
inline joinAnew() {
  if
  :: at[own] == NOWHERE -> join(0)
  :: at[own] != NOWHERE && IS_ALONE ->
    lookAgain();
    first = bySlice[own];
    party[own] = party[own] - first; bySlice[own] = 0;
    own = OTHER(own); join(first)
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
      own = 2 * me;
      if /* its newest ticket */
      :: at[2 * me + 1] != NOWHERE && (at[2 * me] == NOWHERE || (ahead[2 * me + 1] & BIT(own))) -> own = 2 * me + 1
      :: else
      fi;
      look();
      if
      :: at[own] == KEPT && IS_OPEN -> served[own]++; grantNow() /* C1: without a listing */
      :: at[own] == KEPT && !IS_OPEN -> /* C2: lists */
        lookAgain();
        if
        :: behind == 0 -> grantNow()
        :: else -> unlink(); left[me]++ /* C4: hands over; the request takes a ticket of its own after that */
        fi
      :: at[own] == HOLDS && IS_ALONE && IS_OPEN && party[own] < 2 -> party[own]++; bySlice[own]++ /* C5: without a listing */
      :: (at[own] == WAITS || at[own] == HOLDS && !(IS_ALONE && IS_OPEN)) && behind == 0 && party[own] < 2 -> /* it is the last in the queue */
        lookAgain(); party[own]++
      :: at[own] == HOLDS && IS_ALONE && IS_OPEN && party[own] == 2 -> left[me]++ /* it comes later: more are left out */
      :: at[own] == NOWHERE || (at[own] == WAITS || at[own] == HOLDS && !(IS_ALONE && IS_OPEN)) && !(behind == 0 && party[own] < 2) -> joinAnew()
      fi
    }
  :: atomic { /* the next step of a ticket */
      EACH_TICKET(STEPS) -> pick(EACH_TICKET(STEPS)); own = here; me = OWNER(own);
      if
      :: at[own] == WAITS && (woken & BIT(own)) -> /* lists */
        woken = woken & ~BIT(own);
        if
        :: ahead[own] & LIVING & there
        :: else -> grant()
        fi
      :: at[own] == HOLDS && party[own] > 0 && party[own] > bySlice[own] -> party[own]--; grant() /* releases, and the next one of its process holds */
      :: at[own] == HOLDS && party[own] > 0 && party[own] == bySlice[own] -> /* the next one has joined by the slice */
        if
        :: IS_OPEN -> served[own]++; party[own]--; bySlice[own]--; grant()
        :: else ->
          lookOrGuess();
          if
          :: behind == 0 -> party[own]--; grant()
          :: else -> /* C5: it is over: they join again */
            assert(ORDER || IS_ALONE); /* not behind one of the same process that came later */
            left[me] = left[me] + party[own]; party[own] = 0; bySlice[own] = 0; unlink()
          fi
        fi
      :: at[own] == HOLDS && party[own] == 0 -> /* releases */
        if
        :: IS_ALONE && IS_OPEN -> at[own] = KEPT /* C1 */
        :: IS_ALONE && !IS_OPEN -> /* C2 */
          lookOrGuess();
          if
          :: behind == 0 -> at[own] = KEPT
          :: else -> unlink() /* C4 */
          fi
        :: else -> unlink() /* C3, C4 */
        fi
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
  :: atomic { EACH_TICKET(ENDS) -> pick(EACH_TICKET(ENDS)); served[here] = SLICE } /* the slice is over, by the clock */
#if CRASHES
  :: atomic { /* kill -9; who is connected to it is woken */
      crashes > 0 -> crashes--; pick(alive); me = here; alive = alive & ~BIT(me); left[me] = 0; i = 0;
      do
      :: i < TICKETS ->
        if
        :: OWNER(i) == me -> at[i] = NOWHERE; party[i] = 0; bySlice[i] = 0; served[i] = 0; waited[i] = 0; allowed[i] = 0; woken = woken & ~BIT(i)
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
