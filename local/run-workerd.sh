#!/bin/sh
# Notes which process this is and who started it, then becomes workerd, on a leash where the system has one:
# both Miniflare and we start workerd through here, so that it never outlives a killed launcher unnoticed.
echo "$$ $PPID" > "$PARLEY_WORKERD_NOTE"
exec $PARLEY_LEASH "$PARLEY_WORKERD" "$@"
