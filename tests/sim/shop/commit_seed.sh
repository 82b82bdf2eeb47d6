#!/usr/bin/env bash
# Seeds that no one has seen: they follow from the commit. SEEDS ORDERS SHOP-SIM
# With SAGA_TEST_SOAK=1 a hundred times as many, over both transports by turns; it ends.
count=$1 orders=$2 shop_sim=$3
commit=$(git -C "$(dirname "$0")" rev-parse HEAD 2>/dev/null) || commit=c61afe5
first=${SAGA_TEST_SEED:-$((16#${commit:0:12}))}
echo "commit ${commit:0:12}: seeds from $first"
if [ "${SAGA_TEST_SOAK:-0}" != 0 ]; then
	count=$((100 * count))
fi
exec "$shop_sim" --seeds "$first..$((first + count - 1))" --orders "$orders" --jobs 2
