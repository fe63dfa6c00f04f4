// What `npm run model` searches the models with; what the switches mean is said at the head of each. Without a name it is model/acquire.pml.

/** The first ones are all of `npm run model -- --ci`. */
export const CI_SEARCHES = [
  '-DPROCS=2 -DROUNDS=2 -DCRASHES=1 -DABORTS=1 -DENDS=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DCLAIMS=2 -DSLOW_LISTS=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DCLAIMS=3 -DCRASHES=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DTRIES=2',
  '-DPROCS=2 -DPAIRS=1 -DCRASHES=1 -DABORTS=1',
  '-DCRASHES=1 -DABORTS=1 -DHELD=1 -DKEPT=2',
  '-DDEAD=1 -DHELD=1 -DKEPT=1',
  '-DTHIEF=1 -DSTOPS=1',
  'steal.pml -DREQUESTS=2',
  'steal.pml -DREQUESTS=2 -DABORTS=1',
  'slice.pml -DSLICE=2',
  'slice.pml -DSLICE=1 -DCRASHES=1',
]

export const SEARCHES = [
  ...CI_SEARCHES,
  // two processes, two holds of each
  '-DPROCS=2 -DROUNDS=2 -DENDS=2 -DABORTS=1 -DBUSY=1',
  '-DPROCS=2 -DROUNDS=2 -DCLAIMS=2 -DCRASHES=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DSTOPS=1 -DBELT=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DSTRANGERS=2 -DBELT=1 -DKEPT=1',
  '-DPROCS=2 -DROUNDS=2 -DAT_ONCE=1 -DCRASHES=1 -DABORTS=1 -DKEPT=1',
  // two requests of one process
  '-DPROCS=2 -DPAIRS=1 -DTRIES=1 -DCRASHES=1',
  '-DPROCS=2 -DPAIRS=1 -DCLAIMS=3 -DCRASHES=1',
  '-DPROCS=2 -DPAIRS=2 -DABORTS=1',
  '-DPROCS=2 -DPAIRS=2 -DCLAIMS=2',
  '-DPROCS=2 -DPAIRS=2 -DCLAIMS=3 -DABORTS=1',
  '-DPROCS=2 -DPAIRS=2 -DCRASHES=1',
  '-DPAIRS=1',
  // three processes: exclusive
  '-DCLAIMS=1',
  '-DKEPT=1',
  '-DABORTS=1',
  '-DABORTS=2',
  '-DBUSY=1 -DABORTS=1',
  '-DTRIES=1',
  '-DTRIES=2',
  '-DTRIES=1 -DCRASHES=1 -DABORTS=1 -DHELD=1 -DKEPT=2',
  '-DSLOW_LISTS=1',
  '-DSTOPS=1 -DBELT=1',
  '-DSTRANGERS=1 -DBELT=1',
  '-DDEAD=1 -DKEPT=2',
  '-DROUNDS=2',
  '-DCRASHES=1',
  '-DCRASHES=1 -DABORTS=1',
  '-DAT_ONCE=1',
  // exclusive and shared
  '-DCLAIMS=2',
  '-DCLAIMS=2 -DSTAY=1',
  '-DCLAIMS=2 -DABORTS=1',
  '-DCLAIMS=2 -DSLOW_LISTS=1',
  '-DCLAIMS=2 -DSHARED=3 -DCRASHES=1',
  // permits
  '-DCLAIMS=3',
  '-DCLAIMS=3 -DSTAY=1',
  '-DCLAIMS=3 -DABORTS=1 -DBUSY=1',
  '-DCLAIMS=3 -DSLOW_LISTS=1',
  '-DCLAIMS=3 -DCRASHES=1',
  // stealing
  '-DTHIEF=1 -DSTOPS=1 -DABORTS=1 -DKEPT=1',
  '-DTHIEF=1 -DCRASHES=1 -DKEPT=1',
  'steal.pml -DREQUESTS=3 -DABORTS=1',
  'steal.pml -DREQUESTS=3 -DSLOW_LISTS=1',
  'steal.pml -DREQUESTS=3 -DCRASHES=1',
  'steal.pml -DREQUESTS=2 -DTHIEVES=2',
  'steal.pml -DREQUESTS=2 -DTHIEVES=2 -DABORTS=1',
  'steal.pml -DREQUESTS=1 -DTHIEVES=2 -DCRASHES=1',
  // slices
  'slice.pml -DPROCS=3 -DREQUESTS=2 -DSLICE=1',
]
