package api

import "podium/contest"

// entry is a submission as admins see it. Its first nine fields are the
// contest's data format.
type entry struct {
	ID            string          `json:"id"`
	Category      string          `json:"category"`
	Caption       string          `json:"caption"`
	Name          string          `json:"name"`
	Phone         string          `json:"phone"`
	ImageURL      *string         `json:"imageUrl"`
	StorageMethod string          `json:"storageMethod"`
	CreatedAt     int64           `json:"createdAt"`
	SubmissionID  string          `json:"submissionId"`
	Status        string          `json:"status,omitempty"`
	Images        []contest.Image `json:"images,omitempty"`
}

// feedItem is a submission as everybody sees it.
type feedItem struct {
	ID        string          `json:"id"`
	Caption   string          `json:"caption"`
	ImageURL  *string         `json:"imageUrl"`
	Artist    string          `json:"artist"`
	CreatedAt int64           `json:"createdAt"`
	Images    []contest.Image `json:"images,omitempty"`
}

// winner is a picked submission as everybody sees it.
type winner struct {
	ID       string          `json:"id"`
	Caption  string          `json:"caption"`
	ImageURL *string         `json:"imageUrl"`
	Images   []contest.Image `json:"images,omitempty"`
}

func (c *API) entry(s *contest.Submission) entry {
	return entry{
		ID: s.ID, Category: s.Category, Caption: c.text.out(s.Caption), Name: c.text.out(s.Name), Phone: c.text.out(s.Phone),
		ImageURL: c.text.url(s.ImageURL), StorageMethod: c.text.out(s.StorageMethod), CreatedAt: s.CreatedAt,
		SubmissionID: s.SubmissionID, Status: string(s.Status), Images: s.Images,
	}
}

func (c *API) feedItem(s *contest.Submission) feedItem {
	return feedItem{ID: s.ID, Caption: c.text.out(s.Caption), ImageURL: c.text.url(s.ImageURL), Artist: contest.Artist,
		CreatedAt: s.CreatedAt, Images: s.Images}
}

func (c *API) winner(s *contest.Submission) winner {
	return winner{ID: s.ID, Caption: c.text.out(s.Caption), ImageURL: c.text.url(s.ImageURL), Images: s.Images}
}
