package route

import (
	"math"
	"time"
)

// Answer times are counted in buckets whose bounds grow by bucketGrowth from shortest on: a quantile read from them is at
// most that much too great.
const (
	bucketGrowth = 1.05
	shortest     = 100 * time.Microsecond
	// lastBucket holds all that took longer, which no deadline allows.
	lastBucket = 280
)

// Bucket is where an answer that took so long is counted: 0 up to 100 µs, then each wider by a twentieth.
func Bucket(took time.Duration) int {
	if took <= shortest {
		return 0
	}
	return min(lastBucket, int(math.Ceil(math.Log(float64(took)/float64(shortest))/math.Log(bucketGrowth))))
}

// BucketBound is the longest time that a bucket holds.
func BucketBound(bucket int) time.Duration {
	return time.Duration(float64(shortest) * math.Pow(bucketGrowth, float64(bucket)))
}
